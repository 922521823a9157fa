"""The rules, one file each; the order is the order of preference where several fit."""

from gradcheck.diagnose.rule import Rule
from gradcheck.diagnose.rules import (
    activation_derivative_of_input,
    activation_derivative_of_output,
    bias_from_wrong_quantity,
    bias_not_reduced,
    factor_two,
    gradient_missing,
    missing_activation_derivative,
    missing_batch_mean,
    shape_misaligned,
    sign_flipped,
    stale_state,
    transposed,
    updated_weights_used,
    wrong_batch_divisor,
    wrong_scale,
)

RULES: tuple[Rule, ...] = (
    stale_state.RULE,
    sign_flipped.RULE,
    missing_batch_mean.RULE,
    factor_two.RULE,
    wrong_batch_divisor.RULE,
    wrong_scale.RULE,
    transposed.RULE,
    bias_not_reduced.RULE,
    shape_misaligned.RULE,
    gradient_missing.RULE,
    updated_weights_used.RULE,
    activation_derivative_of_output.RULE,
    activation_derivative_of_input.RULE,
    missing_activation_derivative.RULE,
    bias_from_wrong_quantity.RULE,
)
