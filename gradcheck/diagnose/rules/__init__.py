"""The rules, one file each; the order is the order of preference where several fit."""

from collections.abc import Iterator
from importlib import import_module
from typing import TypeVar

from gradcheck.diagnose.rule import Detector, Rule

FILES = (
    "loss_ignores_parameters",
    "loss_not_repeatable",
    "saturated",
    "stale_state",
    "parameters_mutated",
    "aliased_gradient",
    "gradient_missing",
    "zero_gradient",
    "copy_paste_block",
    "gradients_exchanged",
    "gradient_clipped",
    "upstream_ignored",
    "label_shape_broadcast",
    "bias_not_reduced",
    "bias_wrong_axis",
    "wrong_axis",
    "shape_misaligned",
    "unusable_value",
    "updated_weights_used",
    "dropout_mask_missing",
    "dropout_scale_missing",
    "batchnorm_statistics_constant",
    "normalisation_scale_missing",
    "duplicate_index_lost",
    "kernel_not_rotated",
    "sign_flipped",
    "bias_scale",
    "missing_batch_mean",
    "double_batch_mean",
    "factor_two",
    "wrong_batch_divisor",
    "wrong_scale",
    "transposed",
    "conjugate_missing",
    "softmax_wrong_axis",
    "softmax_diagonal_only",
    "activation_derivative_of_output",
    "activation_derivative_of_input",
    "missing_activation_derivative",
    "double_activation_derivative",
    "inactive_branch_only",
    "wrong_activation_derivative",
    "wrong_layer_activation",
    "derivative_at_wrong_quantity",
    "softmax_jacobian_wrong",
    "loss_gradient_mismatch",
    "raw_error_backpropagated",
    "missing_weights_in_delta",
    "wrong_layer_weights",
    "matmul_instead_of_elementwise",
    "elementwise_instead_of_matmul",
    "wrong_upstream",
    "missing_gradient_path",
    "batch_not_accumulated",
    "wrong_input_activation",
    "bias_from_wrong_quantity",
    "wrong_parameterisation",
    "regularisation_missing",
    "regularisation_sign",
    "regularisation_wrong",
    "forward_backward_inconsistent",
    "loss_may_be_wrong",
    "missing_factor",
    "wrong_factor",
    "extra_term",
    "missing_term",
    "wrong_operand",
    "wrong_index",
    "single_sample",
    "single_entry",
    "unknown_cause",
    "kink",
    "low_precision",
    "integer_parameters",
    "poor_test_point",
)
"""The rules, in order; a new one is a file in this folder and a line in `FILES`."""

RULES: tuple[Rule, ...] = tuple(import_module(f"{__name__}.{file}").RULE for file in FILES)

D = TypeVar("D", bound=Detector)


def detectors(kind: type[D]) -> Iterator[tuple[Rule, D]]:
    """Yield the detectors of one kind, each with its rule, in the order of the rules."""
    for rule in RULES:
        for detector in rule.detectors:
            if isinstance(detector, kind):
                yield rule, detector
