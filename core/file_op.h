/*
 * The blocking forms of the ops on files, for the threads that run them where nothing else can.
 */
#ifndef AIO_CORE_FILE_OP_H
#define AIO_CORE_FILE_OP_H

#include "core/op.h"

/* Runs READ, WRITE, READV, WRITEV, OPEN or FSYNC. Returns the op's result; -EOPNOTSUPP for others.
 */
int32_t aio__file_perform(const struct aio__op *op);

#endif
