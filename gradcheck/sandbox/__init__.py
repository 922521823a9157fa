"""Run scripts and candidate repairs so that they change nothing outside of their process."""
