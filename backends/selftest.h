/*
 * What a backend must show before it is chosen.
 */
#ifndef AIO_BACKENDS_SELFTEST_H
#define AIO_BACKENDS_SELFTEST_H

#include "core/backend.h"

/*
 * Runs a round trip, a deadline and a cancellation over a socket pair. Returns 0 or -errno. After a
 * failure the kernel may still own the test's memory, which is then left to it.
 */
int aio__backend_selftest(struct aio__backend *backend);

#endif
