/*
 * Telling ASan, TSan and Valgrind about stacks and switches. Each call is nothing where the tool
 * is not in use.
 */
#ifndef AIO_CORE_SANITIZE_H
#define AIO_CORE_SANITIZE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define AIO__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AIO__ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define AIO__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AIO__TSAN 1
#endif
#endif

#if defined(AIO__ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(AIO__TSAN)
#include <sanitizer/tsan_interface.h>
#endif
#if defined(AIO_HAVE_VALGRIND) && AIO_HAVE_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

/* What the tools need to know of a context; empty without them. */
struct aio__sanitize {
#if defined(AIO__ASAN)
    void *fake_stack;
    const void *bottom;
    size_t bytes;
#endif
#if defined(AIO__TSAN)
    void *fiber;
#endif
    char unused[0];
};

/* A new context on [base, base + bytes). */
static inline void aio__sanitize_begin(struct aio__sanitize *context, void *base, size_t bytes)
{
    (void)context, (void)base, (void)bytes;
#if defined(AIO__ASAN)
    __asan_unpoison_memory_region(base, bytes);
    context->fake_stack = NULL;
    context->bottom = base;
    context->bytes = bytes;
#endif
#if defined(AIO__TSAN)
    context->fiber = __tsan_create_fiber(0);
#endif
}

/* The context of the thread's own stack. */
static inline void aio__sanitize_adopt(struct aio__sanitize *context)
{
    (void)context;
#if defined(AIO__TSAN)
    context->fiber = __tsan_get_current_fiber();
#endif
}

/* The context will never run again; called from another one. */
static inline void aio__sanitize_end(struct aio__sanitize *context)
{
    (void)context;
#if defined(AIO__TSAN)
    __tsan_destroy_fiber(context->fiber);
#endif
}

/* Just before the switch. last: `from` will not be resumed. */
static inline void aio__sanitize_leave(struct aio__sanitize *from, struct aio__sanitize *to,
                                       int last)
{
    (void)from, (void)to, (void)last;
#if defined(AIO__ASAN)
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->bottom, to->bytes);
#endif
#if defined(AIO__TSAN)
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/*
 * Just after the switch, in the context resumed. came_from: whose stack was left; its bounds are
 * learnt here, which is how the thread's own stack becomes known.
 */
static inline void aio__sanitize_enter(struct aio__sanitize *now, struct aio__sanitize *came_from)
{
    (void)now, (void)came_from;
#if defined(AIO__ASAN)
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(now->fake_stack, &bottom, &bytes);
    if (came_from != NULL) {
        came_from->bottom = bottom;
        came_from->bytes = bytes;
    }
#endif
}

/* Stacks, for Valgrind. Returns an id for aio__sanitize_unmap. */
static inline unsigned aio__sanitize_map(void *base, size_t bytes)
{
    (void)base, (void)bytes;
#if defined(AIO_HAVE_VALGRIND) && AIO_HAVE_VALGRIND
    return VALGRIND_STACK_REGISTER(base, (char *)base + bytes);
#else
    return 0;
#endif
}

static inline void aio__sanitize_unmap(unsigned id)
{
    (void)id;
#if defined(AIO_HAVE_VALGRIND) && AIO_HAVE_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

/* The kernel wrote these bytes through the ring, where Valgrind and MSan cannot see it. */
static inline void aio__sanitize_written(const void *buffer, size_t bytes)
{
    (void)buffer, (void)bytes;
#if defined(AIO_HAVE_VALGRIND) && AIO_HAVE_VALGRIND
    (void)VALGRIND_MAKE_MEM_DEFINED(buffer, bytes);
#endif
}

/*
 * Memory that comes and goes by system calls of another library's own: ThreadSanitizer does not see
 * that what one thread gave back is another's now. Both are called with the same token.
 */
static inline void aio__sanitize_unmapped(void *token)
{
    (void)token;
#if defined(AIO__TSAN)
    __tsan_release(token);
#endif
}

static inline void aio__sanitize_mapped(void *token)
{
    (void)token;
#if defined(AIO__TSAN)
    __tsan_acquire(token);
#endif
}

#endif
