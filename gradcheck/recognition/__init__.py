"""Recognition: which network the user's loss computes, confirmed by the values of the loss."""
