"""Makes PNG files of screenshots small: a palette of 256 colors instead of three bytes per pixel."""

import base64
import struct
import zlib

from playwright.sync_api import Page

_INDEX = """async (source) => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64," + source)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data, width, height } = canvas.getImageData(0, 0, image.width, image.height);
    const counts = new Map();
    const color = (at) => (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    for (let at = 0; at < data.length; at += 4) counts.set(color(at), (counts.get(color(at)) ?? 0) + 1);
    const parts = (rgb) => [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
    const distance = (a, b) => parts(a).reduce((sum, part, index) => sum + (part - parts(b)[index]) ** 2, 0);
    // The most frequent colors, and then those that are least like any of them: a rare color may have a meaning.
    const colors = [...counts].sort((a, b) => b[1] - a[1]).map(([rgb]) => rgb);
    const palette = [], nearest = new Map(colors.map((rgb) => [rgb, { index: 0, far: Infinity }]));
    while (palette.length < Math.min(256, colors.length)) {
        const added = palette.length < 128 ? colors[palette.length]
            : colors.reduce((best, rgb) => nearest.get(rgb).far > nearest.get(best).far ? rgb : best);
        for (const rgb of colors) {
            const far = distance(rgb, added);
            if (far < nearest.get(rgb).far) nearest.set(rgb, { index: palette.length, far });
        }
        palette.push(added);
    }
    const rows = new Uint8Array((width + 1) * height);  // each row starts with 0: no filter
    for (let at = 0; at < width * height; at += 1)
        rows[at + Math.floor(at / width) + 1] = nearest.get(color(4 * at)).index;
    return [width, height, new Uint8Array(palette.flatMap(parts)).toBase64(), rows.toBase64()];
}"""
"""Returns the size of an image, its palette, and for each pixel the index of the nearest color in it."""


def with_palette(page: Page, png: bytes) -> bytes:
    """Return a PNG file of the same picture with at most 256 colors. An empty page of a browser reads the pixels."""
    width, height, palette, rows = page.evaluate(_INDEX, base64.b64encode(png).decode())
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    pixels = zlib.compress(base64.b64decode(rows), 9)
    chunks = [(b"IHDR", header), (b"PLTE", base64.b64decode(palette)), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    """https://www.w3.org/TR/png-3/#5Chunk-layout."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
