/*
 * Context switch by ucontext, see makecontext(3): portable, and slow, for each switch changes the
 * signal mask.
 */
#ifndef AIO_CORE_CONTEXT_UCONTEXT_H
#define AIO_CORE_CONTEXT_UCONTEXT_H

#include <signal.h>
#include <ucontext.h>

#define AIO__CONTEXT_NAME "ucontext"

struct aio__context {
    ucontext_t state;
};

static inline void aio__context_make(struct aio__context *context, void *base, void *top,
                                     void (*entry)(void))
{
    (void)getcontext(&context->state);
    context->state.uc_stack.ss_sp = base;
    context->state.uc_stack.ss_size = (size_t)((char *)top - (char *)base);
    context->state.uc_link = NULL;
    makecontext(&context->state, entry, 0);
}

/* The mask is the thread's, whatever runs on it: a task's own would undo what another has blocked.
 */
static inline void aio__context_switch(struct aio__context *save, struct aio__context *load)
{
    (void)pthread_sigmask(SIG_BLOCK, NULL, &load->state.uc_sigmask);
    (void)swapcontext(&save->state, &load->state);
}

#endif
