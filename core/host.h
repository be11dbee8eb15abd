/*
 * A runtime inside somebody else's event loop: a descriptor to watch, and a call that does what can
 * be done now. The descriptor is an epoll instance with the backend's own and a timer's in it.
 */
#ifndef AIO_CORE_HOST_H
#define AIO_CORE_HOST_H

struct aio_runtime;

/* Turns a hosted runtime until it is over, and closes its descriptors. */
void aio__host_end(struct aio_runtime *runtime);

#endif
