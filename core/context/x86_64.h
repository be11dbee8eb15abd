/*
 * Context switch for x86-64, System V ABI.
 */
#ifndef AIO_CORE_CONTEXT_X86_64_H
#define AIO_CORE_CONTEXT_X86_64_H

#define AIO__CONTEXT_NAME "x86_64"

struct aio__context {
    void *sp;
    void *fp;
    void *pc;
};

/* Registers that exist only where the compiler may use them. */
#if defined(__AVX512F__)
#define AIO__CONTEXT_AVX512                                                                        \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6",  \
        "k7"
#else
#define AIO__CONTEXT_AVX512
#endif

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
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%rax, 16(%0)\n\t"
                     "movq 0(%1), %%rsp\n\t"
                     "movq 8(%1), %%rbp\n\t"
                     "jmpq *16(%1)\n"
                     "1:\n\t"
                     "endbr64\n"
                     : "+D"(save), "+S"(load)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc",
                       "memory" AIO__CONTEXT_AVX512);
}

#endif
