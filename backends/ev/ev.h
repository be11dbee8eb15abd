/*
 * The epoll backend: a proactor emulated over libev, for where io_uring is missing or refused.
 */
#ifndef AIO_BACKENDS_EV_EV_H
#define AIO_BACKENDS_EV_EV_H

#include "core/backend.h"

/* Opens the backend, see aio__backend_open_fn. */
int aio__ev_open(struct aio__backend **out, const struct aio__backend_params *params);

#endif
