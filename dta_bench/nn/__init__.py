"""Networks, losses and the learner that every method is."""
