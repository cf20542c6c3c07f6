"""Networks that draw samples instead of judging them; the samplers of :mod:`thymos.augmentation` train and use them."""
