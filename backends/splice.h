/*
 * The system call of SPLICE_IN and SPLICE_OUT, the same for every backend. A ring would hand a
 * splice to a thread of its own in every case, so it is only ever a call that does not block.
 */
#ifndef AIO_BACKENDS_SPLICE_H
#define AIO_BACKENDS_SPLICE_H

#include "core/op.h"

/* Moves what can be moved without waiting. Returns bytes, or -errno: -EAGAIN when that is none. */
int32_t aio__splice_now(const struct aio__op *op);

#endif
