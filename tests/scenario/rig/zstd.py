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


def compress(data, tells_size=True):
    """tells_size: in the head of the frame; what is compressed as it comes does not know it."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_createCCtx.restype = ctypes.c_void_p
    library.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]
    library.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.ZSTD_compress2.restype = ctypes.c_size_t
    library.ZSTD_compress2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                       ctypes.c_size_t]
    context = library.ZSTD_createCCtx()
    library.ZSTD_CCtx_setParameter(context, 200, tells_size)  # ZSTD_c_contentSizeFlag
    target = ctypes.create_string_buffer(len(data) + 1024)
    size = library.ZSTD_compress2(context, target, len(target), data, len(data))
    library.ZSTD_freeCCtx(context)
    return target.raw[:size]
