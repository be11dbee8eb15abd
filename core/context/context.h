/*
 * A context is where a task, or the loop, stopped running: its stack pointer, frame pointer and
 * resume address. The compiler saves what is live across the switch, which is an inline assembly
 * statement that clobbers every other register; it leaves by an indirect jump, which the branch
 * predictor follows far better than a `ret` to an address that was not called.
 *
 * The indirect jump lands on an ENDBR64 or BTI pad, so the code runs under indirect branch
 * tracking. It does not switch shadow stacks and does not claim to.
 *
 * Chosen at build time: `scons context=ucontext` selects the portable form, which is also what
 * every architecture without an assembly form gets.
 */
#ifndef AIO_CORE_CONTEXT_H
#define AIO_CORE_CONTEXT_H

#include <stddef.h>

#if defined(AIO_CONTEXT_UCONTEXT) && AIO_CONTEXT_UCONTEXT
#include "core/context/ucontext.h"
#elif defined(__x86_64__)
#include "core/context/x86_64.h"
#elif defined(__aarch64__)
#include "core/context/aarch64.h"
#else
#include "core/context/ucontext.h"
#endif

/*
 * Prepares a context that calls entry() on the stack [base, top). entry never returns. Provided
 * by each form:
 *   void aio__context_make(struct aio__context *context, void *base, void *top, void
 *   (*entry)(void));
 * Saves the running context in `save` and resumes `load`; returns when somebody resumes `save`:
 *   void aio__context_switch(struct aio__context *save, struct aio__context *load);
 */

#endif
