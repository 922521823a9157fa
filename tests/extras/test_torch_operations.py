"""The operations of torch: no false alarm, and in float64 all are decided."""

import numpy as np
import pytest

import gradcheck
from gradcheck.trace import trace_call
from gradcheck.user.outputs import leaves
from gradcheck.user.tensors import to_array

torch = pytest.importorskip("torch")
F = torch.nn.functional

ROWS = torch.tensor([1, 0, 3, 1])
PLACES = torch.tensor([[0, 2], [1, 1], [3, 0]])
LABELS = torch.tensor([1, 3, 0])

PLAIN = """
    exp expm1 square abs neg sign sin cos atan sinh cosh tanh asinh erf erfc sigmoid sinc i0 frac
    floor relu selu sgn deg2rad exp2 positive trunc
"""
POSITIVE = "log log1p log2 log10 sqrt rsqrt reciprocal lgamma"
INSIDE = "asin acos atanh tan erfinv"
ACTIVATIONS = """
    leaky_relu elu celu gelu silu mish softplus hardtanh hardswish logsigmoid softsign
    tanhshrink relu6 softshrink glu
"""
OF_A_MATRIX = {
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean((0, 1)),
    "prod": lambda x: x.prod(0),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(0),
    "norm": lambda x: x.norm(dim=1),
    "logsumexp": lambda x: x.logsumexp(0),
    "amax": lambda x: x.amax(1),
    "max": lambda x: x.max(1),
    "median": lambda x: x.median(),
    "sort": lambda x: x.sort(1),
    "topk": lambda x: x.topk(2, 1),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(0),
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "clamp": lambda x: x.clamp(-0.4, 0.6),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(0),
    "softmin": lambda x: F.softmin(x, 1),
    "rows": lambda x: x[ROWS % 3],
    "gather": lambda x: x.gather(1, PLACES),
    "scatter": lambda x: torch.zeros_like(x).scatter_add(1, PLACES, x[:, :2]),
    "index_select": lambda x: x.index_select(1, ROWS),
    "masked": lambda x: x.masked_fill(x > 0.7, 3.0),
    "take": lambda x: x.take(PLACES),
    "tril": lambda x: x.tril(),
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(2, 0),
    "transpose": lambda x: x.T.reshape(2, 6),
    "expand": lambda x: x[:, :1].expand(3, 5),
    "repeat": lambda x: x.repeat(2, 1),
    "unfold": lambda x: x.unfold(1, 3, 1),
    "diagonal": lambda x: x.diagonal(),
    "split": lambda x: x.split(2, 1),
    "pad": lambda x: F.pad(x[None], (1, 2), mode="reflect"),
    "svdvals": torch.linalg.svdvals,
    "pinv": torch.linalg.pinv,
    "gram": lambda x: torch.linalg.inv(x @ x.T),
    "slogdet": lambda x: torch.linalg.slogdet(x @ x.T)[1],
    "cholesky": lambda x: torch.linalg.cholesky(x @ x.T),
    "eigvalsh": lambda x: torch.linalg.eigvalsh(x @ x.T),
    "expm": lambda x: torch.matrix_exp(x[:, :3] / 2),
    "fourier": lambda x: torch.view_as_real(torch.fft.rfft(x)),
    "cross_entropy": lambda x: F.cross_entropy(x, LABELS),
    "smoothed": lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1),
    "nll": lambda x: F.nll_loss(x.log_softmax(1), LABELS),
    "logits": lambda x: F.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.3)),
    "kl": lambda x: F.kl_div(x.log_softmax(1), torch.full_like(x, 0.25), reduction="sum"),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "max_pool": lambda x: F.max_pool1d(x[None], 2),
    "avg_pool": lambda x: F.avg_pool1d(x[None], 3, 1),
    "adaptive": lambda x: F.adaptive_avg_pool1d(x[None], 2),
    "interpolate": lambda x: F.interpolate(x[None], scale_factor=2, mode="linear"),
    "embedding": lambda x: F.embedding(ROWS % 3, x),
    "pdist": F.pdist,
    "lu_solve": lambda x: torch.linalg.lu_solve(*torch.linalg.lu_factor(x[:, :3]), x),
    "triangular": lambda x: torch.linalg.solve_triangular(x[:, :3].triu(), x, upper=True),
    "qr": lambda x: torch.linalg.qr(x.T),
    "det": lambda x: torch.linalg.det(x[:, 1:]),
    "lstsq": lambda x: torch.linalg.lstsq(x.T, x.T.flip(0))[0],
    "matrix_power": lambda x: torch.linalg.matrix_power(x[:, :3], 3),
    "nuclear": lambda x: torch.linalg.matrix_norm(x, "nuc"),
    "spectral": lambda x: torch.linalg.matrix_norm(x, 2),
    "cubic_norm": lambda x: torch.linalg.vector_norm(x, 3, dim=0),
    "largest": lambda x: torch.linalg.vector_norm(x, float("inf"), dim=1),
    "cond": lambda x: torch.linalg.cond(x[:, :3]),
    "vander": lambda x: torch.linalg.vander(x[0]),
    "householder": lambda x: torch.linalg.householder_product(x.T, x[0, :3]),
    "fourier_2d": lambda x: torch.fft.fft2(x).abs(),
    "inverse_fourier": lambda x: torch.fft.irfft(torch.complex(x, x.flip(1)), dim=1),
    "i0e": torch.special.i0e,
    "i1": torch.special.i1,
    "erfcx": torch.special.erfcx,
    "log_ndtr": torch.special.log_ndtr,
    "ndtri": lambda x: torch.special.ndtri(x.sigmoid()),
    "entr": lambda x: torch.special.entr(x.exp()),
    "logit": lambda x: torch.logit(x.sigmoid(), eps=1e-6),
    "polygamma": lambda x: torch.polygamma(2, x.exp()),
    "multigammaln": lambda x: torch.special.multigammaln(x.exp() + 2, 3),
    "index_add": lambda x: x.index_add(1, ROWS[:3], x[:, 1:]),
    "index_copy": lambda x: x.index_copy(1, ROWS[:3], x[:, 1:]),
    "product_by_place": lambda x: x.scatter_reduce(1, PLACES, x[:, :2], "prod"),
    "largest_by_place": lambda x: x.scatter_reduce(1, PLACES, x[:, :2], "amax"),
    "mean_by_place": lambda x: x.scatter_reduce(1, PLACES, x[:, :2], "mean"),
    "take_along_dim": lambda x: torch.take_along_dim(x, x.argsort(1), 1),
    "masked_select": lambda x: x.masked_select(x > 0.1),
    "masked_scatter": lambda x: x.masked_scatter(x > 0.1, x.flip(0)),
    "slice_scatter": lambda x: x.slice_scatter(x[:, :2], 1, 1, 3),
    "kthvalue": lambda x: x.kthvalue(2, 1)[0],
    "quantile": lambda x: x.quantile(0.3, 1),
    "cummax": lambda x: x.cummax(1)[0],
    "diff": lambda x: x.diff(dim=1),
    "trapezoid": torch.trapezoid,
    "renorm": lambda x: x.renorm(2, 0, 1.0),
    "corrcoef": torch.corrcoef,
    "bilinear": lambda x: F.interpolate(x[None, None], scale_factor=1.7, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x[None, None], size=(5, 6), mode="bicubic"),
    "area": lambda x: F.interpolate(x[None], size=3, mode="area"),
    "ctc": lambda x: F.ctc_loss(x[:, None].log_softmax(2), LABELS[None, :1], (3,), (1,)),
    "bag": lambda x: F.embedding_bag(ROWS[None] % 3, x),
    "largest_of_bag": lambda x: F.embedding_bag(ROWS[None] % 3, x, mode="max"),
    "grid_sample": lambda x: F.grid_sample(
        x[None, None], x.tanh().reshape(1, 2, 3, 2), align_corners=False
    ),
    "affine_grid": lambda x: F.affine_grid(x[:2, :3][None], (1, 1, 3, 3), align_corners=False),
    "lp_pool": lambda x: F.lp_pool1d(x[None].abs(), 3, 2),
    "max_pool_2d": lambda x: F.max_pool2d(x[None], 2, 1),
    "unpool": lambda x: F.max_unpool1d(*F.max_pool1d(x[None], 2, return_indices=True), 2),
    "fold": lambda x: F.fold(F.unfold(x[None, None], 2), (3, 4), 2),
    "conv_2d": lambda x: F.conv2d(x[None, None], x[None, None, :2, :2], padding=1),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None] ** 2, x[None]),
    "instance_norm": lambda x: F.instance_norm(x[None]),
    "normalize": lambda x: F.normalize(x, dim=1),
    "circular": lambda x: F.pad(x[None], (1, 1), mode="circular"),
    "margins": lambda x: F.multi_margin_loss(x, LABELS),
    "poisson": lambda x: F.poisson_nll_loss(x, torch.full_like(x, 2.0)),
    "angle": lambda x: torch.complex(x[0], x[1]).angle(),
    "cartesian": lambda x: torch.cartesian_prod(x[0], x[1, :2]),
    "remainder": lambda x: torch.remainder(3 * x, 0.7),
    "strided": lambda x: x.as_strided((2, 3), (1, 1)),
    "pad_sequence": lambda x: torch.nn.utils.rnn.pad_sequence([x, x[:2]]),
}
OF_TWO = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "atan2": torch.atan2,
    "hypot": torch.hypot,
    "logaddexp": torch.logaddexp,
    "maximum": torch.maximum,
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "addcmul": lambda a, b: torch.addcmul(a, a, b),
    "div": lambda a, b: a / (b * b + 1),
    "pow": lambda a, b: (a * a + 0.1) ** b,
    "matmul": lambda a, b: a @ b.T,
    "outer": lambda a, b: torch.outer(a[0], b[1]),
    "einsum": lambda a, b: torch.einsum("ij,kj->ik", a, b),
    "kron": lambda a, b: torch.kron(a, b[:1]),
    "cross": lambda a, b: torch.linalg.cross(a[:, :3], b[:, :3]),
    "solve": lambda a, b: torch.linalg.solve(a @ a.T, b),
    "cat": lambda a, b: torch.cat([a, b], 1),
    "stack": lambda a, b: torch.stack([a, b]),
    "where": lambda a, b: torch.where(a > b, a, b),
    "linear": F.linear,
    "conv": lambda a, b: F.conv1d(a[None], b[None, :, :2]),
    "conv_transpose": lambda a, b: F.conv_transpose1d(a[None], b[:, None, :2]),
    "mse": F.mse_loss,
    "huber": F.smooth_l1_loss,
    "cosine": F.cosine_similarity,
    "triplet": lambda a, b: F.triplet_margin_loss(a, b, a.flip(0)),
    "prelu": lambda a, b: F.prelu(a, b[0, :1]),
    "group_norm": lambda a, b: F.group_norm(a[None], 1, b[:, 0], b[:, 1]),
    "cdist": torch.cdist,
}


def functions():
    """Every operation by name, with its function and the range of its inputs."""
    for names, kind in ((PLAIN, "any"), (POSITIVE, "positive"), (INSIDE, "inside")):
        for name in names.split():
            yield name, getattr(torch, name), kind, 1
    for name in ACTIVATIONS.split():
        yield f"F.{name}", getattr(F, name), "any", 1
    for table, count in ((OF_A_MATRIX, 1), (OF_TWO, 2)):
        for name, function in table.items():
            yield name, function, "any", count


NOT_TWICE = ("cdist", "pdist", "ctc", "bag", "largest_of_bag", "margins")
"""Of these torch has no second derivative, or not in all versions."""


def drawn(kind, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    if kind == "any":
        return torch.randn(3, 4, generator=generator, dtype=torch.float64).to(dtype)
    uniform = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    return ((1.6 * uniform - 0.8) if kind == "inside" else uniform + 0.4).to(dtype)


def test_a_slope_of_few_digits_is_seen():
    """Torch keeps the sixth of a hard sigmoid in float32."""
    inputs = drawn("any", 0, torch.float64)
    assert gradcheck.check_layer(F.hardsigmoid, None, inputs).findings[0].code == "GC105"
    assert gradcheck.check_layer(F.hardsigmoid, None, inputs, rtol=1e-6).ok


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_operation_is_right(dtype, order):
    found, refused = {}, {}
    for seed, (name, function, kind, count) in enumerate(functions()):
        inputs = tuple(drawn(kind, 2 * seed + number, dtype) for number in range(count))
        try:
            found[name] = gradcheck.check_layer(function, None, inputs, order=order, diagnose=False)
        except gradcheck.UsageError as error:
            refused[name] = str(error)
    assert len(found) > 185
    assert set(refused) <= (set(NOT_TWICE) if order == 2 else set())
    assert all("torch cannot differentiate this" in reason for reason in refused.values())
    others = {name: report.verdict for name, report in found.items() if not report.ok}
    if dtype == torch.float32:
        others = {name: verdict for name, verdict in others.items() if verdict == "fail"}
    assert not others


def test_what_is_followed_computes_what_torch_does():
    for seed, (name, function, kind, count) in enumerate(functions()):
        inputs = [drawn(kind, 2 * seed + number, torch.float64) for number in range(count)]
        trace = trace_call(lambda given, function=function: function(*given), inputs)
        assert trace.error is None, (name, trace.error)
        theirs = [to_array(output) for (output,) in leaves(function(*inputs))]
        ours = [to_array(output) for (output,) in leaves(trace.returned[0])]
        for one, other in zip(ours, theirs, strict=True):
            assert np.shape(one) == np.shape(other), name
            assert np.allclose(one, other), name


def test_a_function_without_a_derivative_is_refused_in_both_orders():
    for order in (1, 2):
        with pytest.raises(gradcheck.UsageError, match="without a graph"):
            gradcheck.check_layer(
                lambda x: x.detach() ** 2, None, drawn("any", 0, torch.float64), order=order
            )


def test_an_input_may_be_called_t():
    """It is no target, whatever its name: torch gives every input its gradient."""
    for of in (lambda t: t.T + 1, torch.sin):
        report = gradcheck.check_layer(
            lambda t, of=of: of(t), None, drawn("any", 0, torch.float64), order=2
        )
        assert [block.name for block in report.blocks] == ["t", "upstream"]
        assert report.ok
