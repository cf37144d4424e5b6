# SPDX-License-Identifier: Apache-2.0
"""Expands and makes zstd with the system's library: the standard library of Python cannot."""

import ctypes


def expand(data, most=64 << 20):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    library.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    library.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    room = library.ZSTD_getFrameContentSize(data, len(data))
    if room > most:  # unknown, or an error: then it is decided by expanding
        room = most
    target = ctypes.create_string_buffer(max(room, 1))
    size = library.ZSTD_decompress(target, room, data, len(data))
    if library.ZSTD_isError(ctypes.c_size_t(size)):
        raise ValueError("the body is not zstd")
    return target.raw[:size]


def compress(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = ctypes.c_size_t
    library.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t,
                                      ctypes.c_int]
    target = ctypes.create_string_buffer(len(data) + 1024)
    size = library.ZSTD_compress(target, len(target), data, len(data), 1)
    return target.raw[:size]
