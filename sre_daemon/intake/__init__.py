"""From the bytes of a notification to stored alerts and incidents."""
