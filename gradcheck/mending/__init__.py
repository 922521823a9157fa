"""Searches the user's source for the edit that makes the gradient right: `gradcheck.repair`."""
