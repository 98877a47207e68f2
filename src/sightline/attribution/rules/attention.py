"""Attention in its parts, so that each has its rule, and so that maps can be differentiated.

PyTorch computes attention in one fused function, which no rule can look into and most of whose kernels cannot be
differentiated twice.
"""

# ruff: noqa: N806 - the names of the functions taken apart

import math

import torch
import torch.nn.functional as F
from torch import Tensor

EXTENDED = ("bias_k", "bias_v", "add_zero_attn", "static_k", "static_v")  # arguments that must be empty


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    r"""$\mathrm{softmax}(Q K^\top s + B) V$, as `F.scaled_dot_product_attention` defines it.

    Args:
        query: `(..., L, D)`.
        key: `(..., T, D)`.
        value: `(..., T, D')`.
        attn_mask: added to the scores, or False where they do not count, broadcastable to `(..., L, T)`.
        dropout_p: of the attention weights.
        is_causal: each query sees the keys up to its own place.
        scale: $s$; None for $1 / \sqrt{D}$.
        enable_gqa: several heads of the query share one of key and value.

    Returns:
        `(..., L, D')`.
    """
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
    scores = (query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    weights = F.dropout(scores.softmax(-1), dropout_p)
    return weights @ value


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project, attend with each head, project: `F.multi_head_attention_forward`, whose arguments these are.

    Keys and values that are extended or given in projected form are not known here; see `EXTENDED`.

    Returns:
        Output `(L, N, E)`, or `(L, E)` without a batch, and the attention weights, if wanted, `(N, L, T)` or
        `(N, H, L, T)`.
    """
    batched = query.ndim == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
    (L, N, E), T = query.shape, key.shape[0]
    if use_separate_proj_weight:
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        weights = list(in_proj_weight.chunk(3))  # type: ignore[union-attr]
    biases = [None, None, None] if in_proj_bias is None else list(in_proj_bias.chunk(3))
    projected = [
        F.linear(x, w, b).view(len(x), N, num_heads, E // num_heads).permute(1, 2, 0, 3)  # type: ignore[arg-type]
        for x, w, b in zip((query, key, value), weights, biases, strict=True)
    ]
    mask = _mask(attn_mask, key_padding_mask, (N, num_heads, L, T), query.dtype)
    q, k, v = projected  # (N, H, L or T, E / H)
    scores = (q * (1 / math.sqrt(E // num_heads))) @ k.transpose(-2, -1)
    attention = (scores if mask is None else scores + mask).softmax(-1)
    out = F.dropout(attention, dropout_p if training else 0.0) @ v
    out = F.linear(out.permute(2, 0, 1, 3).reshape(L, N, E), out_proj_weight, out_proj_bias)
    shown: Tensor | None = None
    if need_weights:
        shown = attention.mean(1) if average_attn_weights else attention
    if not batched:
        return out.squeeze(1), None if shown is None else shown.squeeze(0)
    return out, shown


def _mask(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, shape: tuple[int, int, int, int], dtype: torch.dtype
) -> Tensor | None:
    """What is added to the scores `(N, H, L, T)`; a boolean mask is True where a key does not count."""
    total: Tensor | None = None
    flat = (1, 1, *shape[2:]) if attn_mask is not None and attn_mask.ndim == 2 else shape
    for mask, view in ((attn_mask, flat), (key_padding_mask, (-1, 1, 1, shape[3]))):
        if mask is not None:
            zeros = torch.zeros_like(mask, dtype=dtype)
            added = (zeros.masked_fill(mask, -math.inf) if mask.dtype == torch.bool else mask).view(view)
            total = added if total is None else total + added
    return total
