/*
 * Connecting to a name, by Happy Eyeballs.
 */
#ifndef AIO_NET_EYEBALLS_H
#define AIO_NET_EYEBALLS_H

#include "net/resolve.h"

/* Connects to the first address of the name that answers. Returns the descriptor or -errno. */
int aio__eyeballs_connect(struct aio__core *core, const struct aio__name *name);

#endif
