"""Sounds, pictures and small arrays: sizes seen before anything is decoded."""

import io
import struct
import wave
import zlib

import numpy as np
import pytest
import soundfile
from PIL import Image

from thymos.base.errors import DataError
from thymos.sources.safe import audio_facts, read_audio, read_image, read_npy, read_video
from thymos.sources.simulate.eav import write_film

GREY = (np.arange(64).reshape(8, 8) * 4).astype(np.uint8)


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def stored(array, version=None):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), version=version)
    return buffer.getvalue()


def write_wave(path, data, sfreq=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(data.shape[1])
        file.setsampwidth(2)
        file.setframerate(sfreq)
        file.writeframes(data.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    "form", ["PNG", "BMP", "PPM", "sixteen bits", "sixteen bits, PGM", "palette", "alpha", "one bit"]
)
def test_pictures_of_every_mode_become_grey_and_coloured_bytes(form):
    image, expected = Image.fromarray(GREY), GREY
    if form == "sixteen bits":
        image = Image.fromarray(GREY.astype(np.uint16) * 256 + 200)
    elif form == "sixteen bits, PGM":
        image, form = Image.fromarray(GREY.astype(np.int32) * 256 + 200), "PPM"
    elif form == "palette":
        image = image.convert("P")
    elif form == "alpha":
        image = Image.merge("RGBA", (image, image, image, Image.fromarray(255 - GREY)))
    elif form == "one bit":
        image, expected = Image.fromarray(GREY > 100), (GREY > 100) * np.uint8(255)
    content = encoded(image, form if form.isupper() else "PNG")
    made = read_image(content, "picture")
    assert (made.shape, made.dtype) == ((1, 8, 8), np.uint8)
    assert np.array_equal(made[0], expected)
    colours = read_image(content, "picture", grey=False)
    assert colours.shape == (3, 8, 8)
    assert colours.flags["C_CONTIGUOUS"]
    assert all(np.array_equal(colour, expected) for colour in colours)


def test_pictures_are_turned_as_their_camera_says():
    wide = np.repeat(np.arange(64, dtype=np.uint8)[None] * 4, 32, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turn it clockwise
    made = read_image(encoded(Image.fromarray(wide), exif=exif), "picture")
    assert made.shape == (1, 64, 32)
    assert np.array_equal(made[0], np.rot90(wide, -1))


def test_colours_come_in_order_and_a_path_is_read(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 200, 50
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(pixels)))
    made = read_image(tmp_path / "a.png", grey=False)
    assert made.shape == (3, 4, 6)
    assert made[:, 0, 0].tolist() == [200, 0, 50]


def bomb(side):
    """A PNG that declares many pixels and holds none."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bomb(9000), "9000 x 9000 pixels"),
        (bomb(20_000), "cannot be read"),
        (encoded(Image.fromarray(GREY), "GIF"), "cannot be read"),
        (encoded(Image.fromarray(GREY), "TIFF"), "cannot be read"),
        (b"<html>", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_what_is_no_photograph_or_too_large_is_refused(content, expected, words):
    with pytest.raises(DataError) as error:
        read_image(content, "the picture")
    words(error.value, "the picture", expected, "8192 x 8192")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_a_picture_cut_short_anywhere_is_our_error(form):
    whole = encoded(Image.fromarray(np.tile(GREY, (4, 4))), form)
    for n in np.linspace(0, len(whole) - 40, 20).astype(int):
        with pytest.raises(DataError):
            read_image(whole[:n], "picture")


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i4", "u1", "?", "f2"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_arrays_of_numbers_are_read_as_such(dtype, version, tmp_path):
    array = np.asfortranarray(np.arange(6).reshape(2, 3)).astype(dtype)
    (tmp_path / "a.npy").write_bytes(stored(array, version))
    made = read_npy(tmp_path / "a.npy")
    assert made.dtype == np.float64
    assert np.array_equal(made, array)


def test_text_that_holds_a_number_becomes_one(tmp_path):
    (tmp_path / "a.npy").write_bytes(stored(np.array("-0.25")))
    assert read_npy(tmp_path / "a.npy") == -0.25
    (tmp_path / "a.npy").write_bytes(stored(np.array(b"7")))
    assert read_npy(tmp_path / "a.npy") == 7


def header(text, version=1):
    text = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lambda: stored(np.array([None, {}], dtype=object)), "type object"),
        (lambda: stored(np.zeros(2, dtype=[("a", "f8")])), "type"),
        (lambda: stored(np.zeros(2, dtype="c16")), "type complex128"),
        (lambda: stored(np.array("happy")), "could not convert"),
        (lambda: stored(np.zeros(4))[:-1], "31 bytes"),
        (lambda: stored(np.zeros(4)) + b"x", "33 bytes"),
        (lambda: header("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1048576), }"), "GiB"),
        (lambda: header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"), "GiB"),
        (lambda: header("{'descr': '|S0', 'fortran_order': False, 'shape': (1099511627776,), }"), "empty text"),
        (lambda: header("__import__('os').mkdir('executed')"), "cannot be read"),
        (lambda: header("(" * 110), "cannot be read"),
        (lambda: header("{}", 3), "version 3"),
        (lambda: header("{}"), "cannot be read"),
        (lambda: b"\x80\x04.", "cannot be read"),
        (lambda: b"", "cannot be read"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_and_not_run(content, expected, tmp_path, monkeypatch, words):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "a.npy").write_bytes(content())
    with pytest.raises(DataError) as error:
        read_npy(tmp_path / "a.npy")
    words(error.value, "a.npy", expected)
    assert not list((tmp_path / "here").iterdir())


def test_an_array_beyond_the_limit_is_refused(tmp_path):
    (tmp_path / "a.npy").write_bytes(stored(np.zeros(100)))
    assert read_npy(tmp_path / "a.npy", largest=1000).size == 100
    with pytest.raises(DataError, match="more than 900 bytes"):
        read_npy(tmp_path / "a.npy", largest=900)


def test_a_sound_is_read_channel_by_channel(tmp_path):
    data = np.array([[0, 16384], [-32768, 0], [8192, -8192]])
    path = write_wave(tmp_path / "a.wav", data)
    assert audio_facts(path) == (8000.0, 2, 3)
    made, sfreq = read_audio(path)
    assert (sfreq, made.dtype) == (8000.0, np.float32)
    assert np.array_equal(made, data.T / 32768)


def test_a_sound_cut_short_anywhere_is_our_error(tmp_path, words):
    path = write_wave(tmp_path / "a.wav", np.arange(400)[:, None] * 50)
    whole = path.read_bytes()
    for n in np.linspace(0, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:n])
        with pytest.raises(DataError) as error:
            read_audio(path)
        words(error.value, "a.wav")
    write_wave(path, np.zeros((0, 1)))
    with pytest.raises(DataError, match="holds no sound"):
        read_audio(path)
    with pytest.raises(DataError):
        read_audio(tmp_path / "gone.wav")


@pytest.mark.parametrize("wrong", ["", "of the file", "of its samples"])
@pytest.mark.parametrize("kind", ["RIFF", "RIFX", "RF64", "of unknown length"])
def test_every_size_in_the_header_of_a_wave_is_held_against_the_file(tmp_path, kind, wrong, words):
    order, unknown = ">" if kind == "RIFX" else "<", 2**32 - 1

    def chunk(name, content, size=None):
        content += b"\0" * (len(content) % 2)
        return name + struct.pack(f"{order}I", len(content) if size is None else size) + content

    data = np.arange(100, dtype=f"{order}i2").tobytes()
    body = chunk(b"fmt ", struct.pack(f"{order}HHIIHH", 1, 1, 8000, 16000, 2, 16))
    body += b"" if kind == "RF64" else chunk(b"note", b"odd", 3)
    sizes = {"RF64": [0, 200], "of unknown length": [unknown, unknown]}.get(kind, [len(body) + 212, 200])
    sizes = [9999 if wrong == "of the file" else sizes[0], 300 if wrong == "of its samples" else sizes[1]]
    if kind == "RF64":
        body, sizes = chunk(b"ds64", struct.pack("<QQQI", *sizes, 0, 0)) + body, [unknown, unknown]
    name = kind.encode() if kind.isupper() else b"RIFF"
    path = tmp_path / "a.wav"
    path.write_bytes(name + struct.pack(f"{order}I", sizes[0]) + b"WAVE" + body + chunk(b"data", data, sizes[1]))
    if wrong:
        with pytest.raises(DataError) as error:
            read_audio(path)
        words(error.value, "a.wav is truncated")
    else:
        assert np.array_equal(read_audio(path)[0][0] * 2**15, np.arange(100))


@pytest.mark.parametrize(("form", "name"), [("AIFF", "a.wav"), ("W64", "a.WAV"), ("OGG", "a.wav"), ("WAV", "a.flac")])
def test_a_sound_of_another_kind_than_its_ending_is_refused(tmp_path, form, name, words):
    soundfile.write(tmp_path / name, np.zeros(4000), 8000, format=form)
    with pytest.raises(DataError) as error:
        read_audio(tmp_path / name)
    words(error.value, f"{name} is a file of the kind {form}", "as its ending says", f"ffmpeg -i {name}")


def test_a_flac_without_its_length_is_refused_in_words(tmp_path, words):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(4000), 8000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits that count the samples
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_audio(path)
    words(error.value, "does not say in its header how long it is", "ffmpeg -i a.flac")


def test_a_sound_too_long_for_the_memory_is_refused(tmp_path, monkeypatch, words):
    monkeypatch.setattr("thymos.sources.safe.media._LONGEST", 100)
    with pytest.raises(DataError) as error:
        read_audio(write_wave(tmp_path / "a.wav", np.ones((26, 1))))
    words(error.value, "a.wav declares an array of shape (1, 26)")
    assert read_audio(write_wave(tmp_path / "a.wav", np.ones((25, 1))))[0].shape == (1, 25)


def test_a_film_is_thinned_scaled_and_bounded(tmp_path, monkeypatch, words):
    levels = np.array([20, 80, 140, 200, 250])
    frames = np.broadcast_to(levels[:, None, None, None], (5, 1, 32, 48)).astype(np.uint8)
    write_film(tmp_path / "a.mp4", frames, 10.0)
    made, sfreq = read_video(tmp_path / "a.mp4")
    assert (made.shape, made.dtype, sfreq) == ((5, 1, 32, 48), np.uint8, 10.0)
    assert np.abs(made.mean(axis=(1, 2, 3)) - levels).max() < 12
    made, sfreq = read_video(tmp_path / "a.mp4", size=(16, 24), grey=False, step=2)
    assert (made.shape, sfreq) == ((3, 3, 16, 24), 5.0)
    assert np.abs(made.mean(axis=(1, 2, 3)) - levels[::2]).max() < 12
    monkeypatch.setattr("thymos.sources.safe.media._LARGEST_FILM", 4 * 32 * 48)
    with pytest.raises(DataError, match="declares an array of shape"):
        read_video(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_bytes(b"<html>" * 100)
    with pytest.raises(DataError) as error:
        read_video(tmp_path / "a.mp4")
    words(error.value, "a.mp4 cannot be read")
