"""What bench/run.py and bench/demo.py are made of: processes, measuring, scenarios, reports."""
