"""The history as TensorBoard event files: `tensorboard --logdir RUN` draws the curves while a run goes on.

Written byte by byte, since importing TensorFlow takes longer than many a training. A file is a row of records
(TFRecord: length, its checksum, bytes, their checksum), each a protocol buffer `Event` as in
tensorflow/core/util/event.proto.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from recsys.training.history import Epoch

_CRC32C = 0x82F63B78  # Castagnoli's polynomial, reversed (RFC 3720, appendix B.4)


class Curves:
    """Writes each epoch's losses and seconds; `epochs` are those of an earlier part of the run, written anew."""

    def __init__(self, folder: Path, epochs: list[Epoch]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        now = time.time()
        self._file = (folder / f"events.out.tfevents.{int(now)}.{socket.gethostname()}.{os.getpid()}").open("wb")
        self._add(_double(1, now) + _bytes(3, b"brain.Event:2"))
        for epoch in epochs:
            self.write(epoch)

    def write(self, epoch: Epoch) -> None:
        """One more epoch, on disk when this returns."""
        figures = {"loss/train": epoch.train_loss, "loss/validation": epoch.validation_loss}
        figures |= {} if epoch.test_loss is None else {"loss/test": epoch.test_loss}
        figures |= {f"seconds/{name}": value for name, value in asdict(epoch.split).items()}
        figures["seconds/epoch"] = epoch.seconds
        summary = b"".join(_bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in figures.items())
        self._add(_double(1, time.time()) + _integer(2, epoch.epoch) + _bytes(5, summary))

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def _add(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))
        self._file.flush()


def _crc_table() -> Iterable[int]:
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_CRC32C if value & 1 else 0)
        yield value


_TABLE = tuple(_crc_table())


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and moved as TFRecord has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)
