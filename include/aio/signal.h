/*
 * <aio/signal.h>: stopping a server by signal.
 */
#ifndef AIO_SIGNAL_H
#define AIO_SIGNAL_H

#include <aio/base.h>

AIO_BEGIN_DECLS

/*
 * aio_signal_shutdown makes SIGINT and SIGTERM cancel the calling task, usually the first one:
 * its accept returns -ECANCELED, it closes its listener, waits for what it wants to wait for
 * inside a shield, and returns. A second signal ends the process as if this had never been
 * called. The former dispositions come back when the runtime ends. See sigaction(2).
 *
 * Suspends:  never.
 * Context:   a task; one task of the process at a time.
 * Returns:   0; -EBUSY when another task is to be cancelled already; -errno of sigaction(2).
 */
AIO_API AIO_NODISCARD int aio_signal_shutdown(void);

AIO_END_DECLS

#endif
