"""Slack: incidents as threads, questions, and answers to what the daemon asks. What is said in Slack authorises nothing."""
