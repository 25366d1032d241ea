"""The law that is drawn: weights, supports, what is held; and how far it can be trusted."""
