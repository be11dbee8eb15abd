/*
 * Items of channels: bytes that are copied.
 */
#ifndef AIO_CORE_ITEMS_H
#define AIO_CORE_ITEMS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* More than this is refused without asking the system, which might promise what it cannot keep. */
#define AIO__ITEMS_BYTES_MAX ((uint64_t)64 << 30)

/* Pointers and numbers are copied by one instruction; nothing is not copied, from nowhere. */
static inline void aio__item_copy(void *to, const void *from, size_t bytes)
{
    if (__builtin_expect(bytes == 8, 1))
        memcpy(to, from, 8);
    else if (bytes > 0)
        memcpy(to, from, bytes);
}

/* The size of an object of header bytes with count items behind it. Returns 0, -EINVAL, -ENOMEM. */
static inline int aio__items_size(size_t *size, size_t header, size_t count, size_t item_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes))
        return -EINVAL;
    if (bytes > AIO__ITEMS_BYTES_MAX)
        return -ENOMEM;
    *size = header + bytes;
    return 0;
}

#endif
