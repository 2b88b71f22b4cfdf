"""Real servers on free ports for tests: each starts, stops, can be killed and comes back at the same address."""
