/*
 * What a backend must show before it is chosen.
 */
#ifndef AIO_BACKENDS_SELFTEST_H
#define AIO_BACKENDS_SELFTEST_H

#include "core/backend.h"

/*
 * Runs a round trip, a deadline and a cancellation over a socket pair. Returns 0; else -errno,
 * and the backend is closed unless the kernel still owns the test's memory, which is then left to
 * it.
 */
int aio__backend_selftest(struct aio__backend *backend);

#endif
