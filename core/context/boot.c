/*
 * The first instructions of a new context, where the switch is in assembly. The entry stands in the
 * frame pointer; the unwinder is told that nothing called us, so backtraces of a task end here.
 */
#include "core/context/context.h"

#if defined(AIO__CONTEXT_NAME) && !defined(AIO_CORE_CONTEXT_UCONTEXT_H)
#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl aio__context_boot\n"
        ".hidden aio__context_boot\n"
        ".type aio__context_boot, @function\n"
        "aio__context_boot:\n\t"
        ".cfi_startproc\n\t"
        ".cfi_undefined rip\n\t"
        "endbr64\n\t"
        "movq %rbp, %rax\n\t"
        "xorl %ebp, %ebp\n\t"
        "pushq $0\n\t"
        "jmpq *%rax\n\t"
        ".cfi_endproc\n"
        ".size aio__context_boot, . - aio__context_boot\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl aio__context_boot\n"
        ".hidden aio__context_boot\n"
        ".type aio__context_boot, %function\n"
        "aio__context_boot:\n\t"
        ".cfi_startproc\n\t"
        ".cfi_undefined x30\n\t"
        "hint #38\n\t"     /* bti jc */
        "mov x16, x29\n\t" /* a jump by x16 may land on the pad of a function */
        "mov x29, xzr\n\t"
        "mov x30, xzr\n\t"
        "br x16\n\t"
        ".cfi_endproc\n"
        ".size aio__context_boot, . - aio__context_boot\n"
        ".popsection\n");
#endif
#else
typedef int aio__context_boot_unused; /* ISO C wants a declaration in every file */
#endif
