/*
 * The io_uring backend, as the registry sees it.
 */
#ifndef AIO_BACKENDS_URING_URING_H
#define AIO_BACKENDS_URING_URING_H

#include "core/backend.h"

int aio__uring_open(struct aio__backend **out, const struct aio__backend_params *params);

#endif
