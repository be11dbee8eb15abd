/*
 * Sharded listeners: every core of a runtime listens on the same address, with a socket of its own
 * (SO_REUSEPORT, see socket(7)), and the kernel spreads the connections. The first to come settles
 * the port where the caller left it to the kernel.
 */
#ifndef AIO_NET_SHARD_H
#define AIO_NET_SHARD_H

#include "net/private.h"

struct aio__shard;

/*
 * Finds the address that the other cores' listeners have for what is wanted, and opens a socket
 * there with bind_to. Returns the socket, to be left by aio__shard_leave, or -errno.
 */
int aio__shard_join(struct aio__core *core, const struct aio_address *wanted,
                    int (*bind_to)(const struct aio_address *address, const void *options),
                    const void *options, struct aio__shard **out);

/* The listener is closed. */
void aio__shard_leave(struct aio__core *core, struct aio__shard *shard);

#endif
