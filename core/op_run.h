/*
 * How tasks use ops: fill one in a frame of the task's stack, run it, have the result.
 */
#ifndef AIO_CORE_OP_RUN_H
#define AIO_CORE_OP_RUN_H

#include "core/op.h"
#include "core/wait.h"

struct aio__core;

/* An op and the wait for it. */
struct aio__op_frame {
    struct aio__op op;
    struct aio__wait wait;
};

/*
 * Submits frame->op and parks the calling task until it is done, or goes on at once when it is
 * done already. Core's fields of the op (opcode, fd, union) are set by the caller; flags are those
 * of AIO__OP_ASKED; `what` names the wait in dumps. Returns the op's result, or -ECANCELED,
 * -ETIMEDOUT, -EBADF when it was interrupted and did not succeed all the same.
 */
int aio__op_run_flagged(struct aio__core *core, struct aio__op_frame *frame, uint16_t flags,
                        const char *what);

static inline int aio__op_run(struct aio__core *core, struct aio__op_frame *frame, const char *what)
{
    return aio__op_run_flagged(core, frame, 0, what);
}

/*
 * Does of frame->op what can be done without waiting, whatever is pending for the calling task.
 * Returns the op's result; -ECANCELED when that is nothing.
 */
int aio__op_try(struct aio__core *core, struct aio__op_frame *frame, const char *what);

/*
 * Submits an op that completes elsewhere: op->complete is called when it is done. Returns true
 * when it is done already; complete is not called then.
 */
bool aio__op_submit(struct aio__core *core, struct aio__op *op);

/* Asks for the end of a submitted op. */
void aio__op_cancel(struct aio__core *core, struct aio__op *op);

#endif
