/*
 * Readiness of descriptors that are not ours.
 */
#include "core/core.h"
#include "core/op_run.h"

#include <aio/poll.h>

int aio_poll_wait(int fd, int events)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_POLL;
    frame.op.fd = fd;
    frame.op.poll.events = (uint32_t)events;
    return aio__op_run(core, &frame, "poll");
}
