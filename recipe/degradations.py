"""Synthetic photo defects, each with a known strength from 0 (none) to 1 (the worst that occurs).

A `Damage` is sampled and then applied in the order in which a camera would cause it: the frame is tilted, an object
covers part of it, the lens blurs, the sensor gets too little or too much light and adds noise, compression loses
detail.
"""

import io
import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

KINDS = ("defocus", "motion", "dark", "bright", "noise", "compression", "tilt", "occlusion")
GAMMA = 2.2
_REACH = {
    "defocus": (0.7, 16.0),  # radius, pixels
    "motion": (2.5, 44.0),  # length, pixels
    "dark": (0.6, 4.2),  # stops
    "bright": (0.4, 3.2),  # stops
    "noise": (0.008, 0.16),  # standard deviation at mid-gray, on a scale of 0 … 1
    "compression": (60.0, 4.0),  # JPEG quality
    "tilt": (2.0, 22.0),  # degrees
    "occlusion": (0.08, 0.45),  # radius, as a share of the shorter side
}
HELD_OUT = ((0.3, 0.4), (0.5, 0.65))
"""Strengths never trained on, faint and plain: the benchmark measures on them."""
_TRACE = 0.3  # maximum strength of a secondary defect that is only a trace


@dataclass
class Damage:
    """Kind → strength, 0 … 1; missing kinds are absent.

    `spared`: the region that a blur leaves sharp, the middle of the picture or its surroundings, in shares of the
    sides; None for a blur of the whole picture.
    """

    strengths: dict[str, float] = field(default_factory=dict)
    spared: tuple[float, float, float, bool] | None = None

    def vector(self) -> np.ndarray:
        """(8,) float32 strengths in the order of `KINDS`."""
        return np.array([self.strengths.get(kind, 0.0) for kind in KINDS], np.float32)

    @property
    def severity(self) -> float:
        """Total damage to the photo, 0 … 1."""
        return 1 - math.prod(1 - 0.9 * strength for strength in self.strengths.values())


def drawn(chance: Generator) -> Damage:
    """Sample: no damage in three of ten photos, one kind in half, two kinds or one with a trace of a second in the
    rest.
    """
    damage = Damage()
    count = chance.choice(3, p=[0.3, 0.5, 0.2])
    for number, kind in enumerate(chance.permutation(KINDS)[:count].tolist()):
        most = _TRACE if number and chance.random() < 0.5 else 1.0 - sum(end - start for start, end in HELD_OUT)
        damage.strengths[kind] = _learned(chance.uniform(0, most))
    if {"dark", "bright"} <= damage.strengths.keys():
        del damage.strengths["dark"]
    if chance.random() < 0.35:
        damage.spared = (*chance.uniform(0.25, 0.75, 2), chance.uniform(0.2, 0.45), bool(chance.random() < 0.3))
    return damage


def _learned(share: float) -> float:
    """Map a share of the trainable strengths to a strength, skipping the held-out intervals."""
    for start, end in HELD_OUT:
        if share >= start:
            share += end - start
    return share


def done(image: Image.Image, damage: Damage, chance: Generator) -> tuple[Image.Image, Image.Image]:
    """Apply the damage. Returns the image and a mask of mode L: 255 where it is blurred, 0 where it is spared."""
    amounts = {kind: _amount(kind, strength) for kind, strength in damage.strengths.items()}
    if "tilt" in amounts:
        image = _tilted(image, amounts["tilt"] * chance.choice([-1, 1]))
    if "occlusion" in amounts:
        _occlude(image := image.copy(), amounts["occlusion"], chance)
    light = _light(image)
    mask = Image.new("L", image.size, 255)
    if "defocus" in amounts or "motion" in amounts:
        if damage.spared:
            mask = _mask(image.size, damage.spared)
        kernel = np.ones((1, 1))
        if "defocus" in amounts:
            kernel = disc(amounts["defocus"])
        if "motion" in amounts:
            line = path(amounts["motion"], chance)
            kernel = line if len(kernel) == 1 else _both(kernel, line)
        spread = _convolved(light, kernel)
        light = light + (spread - light) * (torch.from_numpy(np.asarray(mask, np.float32)) / 255)
    light = light * 2.0 ** (amounts.get("bright", 0) - amounts.get("dark", 0))
    grain = amounts.get("noise", chance.uniform(0, 0.006))
    light = light + grain * (light.clamp_min(0) * 1.5 + 0.02).sqrt() * torch.from_numpy(
        chance.standard_normal(light.shape, np.float32)
    )
    image = _picture(light)
    quality = amounts.get("compression") or (chance.uniform(75, 96) if chance.random() < 0.5 else None)
    return (image if quality is None else _compressed(image, int(quality), chance)), mask


def _amount(kind: str, strength: float) -> float:
    """Strength 0 … 1 → physical magnitude; equal steps of strength are equal factors."""
    least, most = _REACH[kind]
    return least * (most / least) ** strength


def disc(radius: float) -> np.ndarray:
    """A disc kernel of `radius` pixels, (K, K), sum 1."""
    reach = math.ceil(radius) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(kernel / kernel.sum())


def path(length: float, chance: Generator) -> np.ndarray:
    """Camera shake kernel, (K, K), sum 1: a line, more or less bent."""
    steps = 4 * math.ceil(length) + 1
    turns = chance.uniform(0, 2 * np.pi) + chance.uniform(0, 1.2) * np.cumsum(chance.normal(0, 1, steps)) / steps**0.5
    points = np.cumsum(np.column_stack([np.cos(turns), np.sin(turns)]), axis=0) * length / steps
    points -= (points.max(0) + points.min(0)) / 2
    reach = math.ceil(np.abs(points).max()) + 1
    kernel = np.zeros((2 * reach + 2, 2 * reach + 2))
    low = np.floor(points).astype(int)
    part = points - low
    for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
        np.add.at(kernel, (low[:, 1] + dy + reach, low[:, 0] + dx + reach), weight)
    return np.asarray(kernel[:-1, :-1] / kernel[:-1, :-1].sum())


def _both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    size = len(one) + len(other) - 1
    product = np.fft.rfft2(one, (size, size)) * np.fft.rfft2(other, (size, size))
    return np.asarray(np.fft.irfft2(product, (size, size)))


def _convolved(light: torch.Tensor, kernel: np.ndarray) -> torch.Tensor:
    """Convolve (3, H, W) with mirrored borders."""
    margin = len(kernel) // 2
    height, width = light.shape[1:]
    padded = torch.nn.functional.pad(light[None], (margin,) * 4, mode="reflect")[0]
    shape = (_smooth(padded.shape[1]), _smooth(padded.shape[2]))
    wave = torch.fft.rfft2(padded, s=shape) * torch.fft.rfft2(torch.from_numpy(kernel).float(), s=shape)
    return torch.fft.irfft2(wave, s=shape)[:, 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]


def _smooth(length: int) -> int:
    """Next length with a fast FFT."""
    return -(-length // 32) * 32


def _light(image: Image.Image) -> torch.Tensor:
    """(3, H, W) float32, linear light, 0 … 1."""
    curve = torch.linspace(0, 1, 256).pow(GAMMA)
    return curve[torch.from_numpy(np.array(image)).permute(2, 0, 1).long()]


def _picture(light: torch.Tensor) -> Image.Image:
    tones = light.clamp(0, 1).pow(1 / GAMMA).mul(255).round_().byte()
    return Image.fromarray(tones.permute(1, 2, 0).contiguous().numpy())


def _compressed(image: Image.Image, quality: int, chance: Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=int(chance.choice([0, 2])))
    return Image.open(file).convert("RGB")


def _tilted(image: Image.Image, degrees: float) -> Image.Image:
    """Rotated, and enlarged so that no corner is empty."""
    width, height = image.size
    angle = math.radians(abs(degrees))
    scale = math.cos(angle) + math.sin(angle) * max(width, height) / min(width, height)
    cos, sin = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    x, y = width / 2, height / 2
    matrix = (cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _occlude(image: Image.Image, share: float, chance: Generator) -> None:
    """Paste a large, near, out-of-focus object: a finger, a head, a strap."""
    radius = share * min(image.size)
    x, y = chance.uniform(0, 1, 2) * image.size
    shape = Image.new("L", image.size)
    draw = ImageDraw.Draw(shape)
    if chance.random() < 0.7:
        stretch = np.exp(chance.normal(0, 0.3))
        draw.ellipse((x - radius * stretch, y - radius / stretch, x + radius * stretch, y + radius / stretch), fill=255)
    else:
        angle = chance.uniform(0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * sum(image.size)
        draw.line([(x - along[0], y - along[1]), (x + along[0], y + along[1])], fill=255, width=int(radius) + 1)
    tone = chance.integers(10, 220) + chance.integers(-25, 26, 3)
    cover = Image.new("RGB", image.size, tuple(np.clip(tone, 0, 255).tolist()))
    image.paste(cover, mask=shape.filter(ImageFilter.GaussianBlur(float(np.exp(chance.uniform(-0.7, 3))))))


def _mask(size: tuple[int, int], spared: tuple[float, float, float, bool]) -> Image.Image:
    """255 inside a soft ellipse at x, y with this radius, all in shares of the sides, 0 outside; reversed if
    `inverse`.
    """
    x, y, radius, inverse = spared
    width, height = size
    mask = Image.new("L", size, 255 if inverse else 0)
    box = ((x - radius) * width, (y - radius) * height, (x + radius) * width, (y + radius) * height)
    ImageDraw.Draw(mask).ellipse(box, fill=0 if inverse else 255)
    return mask.filter(ImageFilter.BoxBlur(0.04 * min(size)))
