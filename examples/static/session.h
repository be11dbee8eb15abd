/*
 * A connection, from its start to its end.
 */
#ifndef STATIC_SESSION_H
#define STATIC_SESSION_H

#include <aio/server.h>

/* A handler of aio_server_run. */
int session_run(struct aio_connection *connection, void *arg);

#endif
