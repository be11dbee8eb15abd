/*
 * The fixture's offload port: one thread that runs ops in their blocking form.
 */
#ifndef AIO_TESTS_CONTRACT_PORT_H
#define AIO_TESTS_CONTRACT_PORT_H

#include "core/backend.h"

struct aio__offload_port *port_open(void);

/* Who is to be woken when an op is finished: the backend as the fixture sees it. */
void port_wake(struct aio__backend *outer);

/* Moves finished ops to the port's backend's `done`. */
void port_deliver(void);

unsigned port_count(void);
void port_close(void);

#endif
