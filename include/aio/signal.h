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
 * In a runtime of several cores each core's task asks for itself, and a signal cancels all of them;
 * a task that asks after it has come is cancelled at once.
 *
 * Suspends:  never.
 * Context:   a task; one of each core at a time, and of one runtime of the process.
 * Returns:   0; -EBUSY when another task of this core, or another runtime, has asked; -errno of
 *            sigaction(2).
 */
AIO_API AIO_NODISCARD int aio_signal_shutdown(void);

AIO_END_DECLS

#endif
