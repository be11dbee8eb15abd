/*
 * A runtime inside somebody else's event loop: a descriptor to watch, and a call that does what can
 * be done now. The descriptor is an epoll instance with the backend's own and a timer's in it.
 */
#ifndef AIO_CORE_HOST_H
#define AIO_CORE_HOST_H

struct aio_runtime;

/* Makes the descriptor of a hosted runtime whose core is open. Returns 0; or -errno, with what was
 * made left to whoever attached it. */
int aio__host_open(struct aio_runtime *runtime);

/* Turns a hosted runtime until it is over, and closes its descriptors. */
void aio__host_end(struct aio_runtime *runtime);

#endif
