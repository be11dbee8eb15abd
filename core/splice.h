/*
 * splice(2) and tee(2) without blocking and without signals. A ring would hand a splice to a thread
 * of its own in every case, so for both backends it is a plain call.
 */
#ifndef AIO_CORE_SPLICE_H
#define AIO_CORE_SPLICE_H

#include "core/op.h"

#include <sys/types.h>

/* Move, or double, what is there and fits without waiting. Return bytes, or -errno: -EAGAIN when
 * that is none. A socket must not block. */
ssize_t aio__splice_move(int from, int to, size_t length);
ssize_t aio__splice_tee(int from, int to, size_t length);

/* Sends bytes of a file as they stand in the page cache, as aio__splice_move; what is not there is
 * waited for. */
ssize_t aio__splice_file(int file, int64_t offset, int to, size_t length);

/* Does a SPLICE_IN or SPLICE_OUT. */
int32_t aio__splice_op(const struct aio__op *op);

#endif
