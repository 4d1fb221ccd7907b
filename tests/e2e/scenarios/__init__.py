"""The scenarios. Each module declares its own; run_e2e.py finds them."""
