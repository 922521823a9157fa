"""Why a value is wrong: what it and the right one say of each other.

The two are laid beside each other with what the loss knows of them (`compared`), and each kind of
cause is asked in turn (`asking`). What to write in the place of the wrong value is told in the
user's names (`at_hand`); where no cause is known, what the two have in common (`kinds`).
"""
