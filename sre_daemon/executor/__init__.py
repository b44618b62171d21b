"""The hands of the daemon: the gate that asks the policy, and the executor that applies effects."""
