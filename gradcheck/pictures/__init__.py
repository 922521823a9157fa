"""The pictures of a report: the numbers behind each of them, and the shapes that show them."""
