"""One-place edits of right backward passes, and how often the edited line is found."""
