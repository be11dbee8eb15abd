/*
 * The blocking forms of the ops on files, for the threads that run them where nothing else can; and
 * what a ring leaves undone.
 */
#ifndef AIO_CORE_FILE_OP_H
#define AIO_CORE_FILE_OP_H

#include "core/op.h"

/* Runs READ, WRITE, READV, WRITEV, OPEN or FSYNC. Returns the op's result; -EOPNOTSUPP for others.
 */
int32_t aio__file_perform(const struct aio__op *op);

/*
 * Sees to it that a cursor that stood at `before` has moved by what a READ or WRITE at the cursor
 * has moved. A ring leaves it where it was when an error cut a transfer short (seen on 6.18: ENOSPC
 * after the first bytes), and after each that the device does by itself, as with O_DIRECT. What
 * comes next would be from, or go to, the wrong place.
 */
void aio__file_mend_cursor(int fd, int64_t before, int32_t moved);

#endif
