/*
 * Context switch for aarch64, AAPCS64. Only the low halves of v8 to v15 are callee-saved;
 * clobbering them makes the compiler keep what it needs.
 */
#ifndef AIO_CORE_CONTEXT_AARCH64_H
#define AIO_CORE_CONTEXT_AARCH64_H

#define AIO__CONTEXT_NAME "aarch64"

struct aio__context {
    void *sp;
    void *fp;
    void *pc;
};

/* First code of a new context: ends the unwind, then calls the entry kept in fp. */
void aio__context_boot(void);

static inline void aio__context_make(struct aio__context *context, void *base, void *top,
                                     void (*entry)(void))
{
    (void)base;
    context->sp = (void *)((unsigned long)top & ~15ul);
    context->fp = (void *)entry;
    context->pc = (void *)aio__context_boot;
}

static inline __attribute__((always_inline)) void aio__context_switch(struct aio__context *save,
                                                                      struct aio__context *load)
{
    register struct aio__context *from __asm__("x0") = save;
    register struct aio__context *to __asm__("x1") = load;
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "str x10, [%0, #0]\n\t"
                     "str x29, [%0, #8]\n\t"
                     "str x9, [%0, #16]\n\t"
                     "ldr x10, [%1, #0]\n\t"
                     "ldr x29, [%1, #8]\n\t"
                     "ldr x9, [%1, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x9\n"
                     "1:\n\t"
                     "hint #36\n" /* bti j */
                     : "+r"(from), "+r"(to)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24",
                       "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6",
                       "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
                       "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
                       "v29", "v30", "v31", "cc", "memory");
}

#endif
