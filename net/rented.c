/*
 * Rented buffers as the program sees them.
 */
#include "net/private.h"

#include <aio/buf.h>

static void buffer_check(const struct aio_buffer *buffer, const char *function)
{
    const struct aio__core *core = aio__core_current;
    AIO__REQUIRE(core != NULL, "%s: buffer used outside its runtime%s", function, aio__fork_hint());
    if (__builtin_expect(buffer->pool != &core->buffers, 0))
        aio__core_die_elsewhere(AIO__CONTAINER(buffer->pool, struct aio__core, buffers),
                                "this buffer", function);
    AIO__REQUIRE(buffer->open, "%s: this buffer was released or given away already", function);
}

static void buffer_abort(struct aio__wait *wait)
{
    aio__wait_unlink(&wait->task->core->buffers.waiters, wait);
    aio__wake(wait, -ECANCELED);
}

/* gate: in which the task is, or NULL. */
static int buffer_await(struct aio__core *core, struct aio__gate *gate, struct aio_buffer **out)
{
    struct aio__buffer_wait frame = {.wait = {.abort = buffer_abort, .what = "free buffer"}};
    core->buffers.shortages++;
    aio__wait_enqueue(&core->buffers.waiters, &frame.wait);
    if (gate != NULL)
        gate->inside = &frame.wait;
    int rc = aio__park(core, &frame.wait);
    if (gate != NULL)
        gate->inside = NULL; /* its frame is gone */
    if (rc < 0)
        return aio__wait_reason(&frame.wait);
    *out = frame.buffer;
    return 0;
}

static int buffer_rent(struct aio__core *core, struct aio__gate *gate, struct aio_buffer **out)
{
    *out = NULL;
    int rc = aio__interrupted(core);
    if (rc == 0)
        rc = aio__buffers_prepare(&core->buffers);
    if (rc < 0)
        return rc;
    if (core->buffers.waiters.head == NULL && aio__buffers_may_rent(&core->buffers))
        *out = aio__buffers_take(&core->buffers);
    if (*out == NULL)
        return buffer_await(core, gate, out);
    aio__buffers_note_peak(&core->buffers);
    return 0;
}

int aio_buffer_rent(struct aio_buffer **out)
{
    return buffer_rent(AIO__CORE_OR_DIE(), NULL, out);
}

/* Inside the gate: a close ends the wait. */
static int buffer_rent_inside(struct aio__stream_call *call, struct aio_buffer **out)
{
    int rc = aio__handle_may_wait(&call->stream->handle);
    return rc == 0 ? buffer_rent(call->stream->handle.core, call->gate, out) : rc;
}

ssize_t aio__stream_fill(struct aio__stream_call *call, struct aio_buffer **out)
{
    struct aio_buffer *buffer = NULL;
    ssize_t n = buffer_rent_inside(call, &buffer);
    if (buffer == NULL)
        return n;
    n = aio__stream_transfer(call, true, buffer->data, buffer->room);
    if (n > 0 && aio_buffer_resize(buffer, (size_t)n) == 0)
        *out = buffer;
    else
        aio_buffer_release(buffer);
    return n;
}

void aio_buffer_release(struct aio_buffer *buffer)
{
    if (buffer == NULL)
        return;
    buffer_check(buffer, __func__);
    aio__buffer_release(buffer);
}

void *aio_buffer_data(const struct aio_buffer *buffer)
{
    return buffer->data;
}

size_t aio_buffer_size(const struct aio_buffer *buffer)
{
    return buffer->size;
}

size_t aio_buffer_room(const struct aio_buffer *buffer)
{
    return buffer->room;
}

int aio_buffer_resize(struct aio_buffer *buffer, size_t size)
{
    buffer_check(buffer, __func__);
    if (size > buffer->room)
        return -EINVAL;
    buffer->size = (uint32_t)size;
    return 0;
}

int aio_buffer_skip(struct aio_buffer *buffer, size_t bytes)
{
    buffer_check(buffer, __func__);
    if (bytes > buffer->size)
        return -EINVAL;
    aio__buffer_skip(buffer, (uint32_t)bytes);
    return 0;
}

int aio_buffer_slice(struct aio_buffer **out, struct aio_buffer *buffer, size_t offset, size_t size)
{
    buffer_check(buffer, __func__);
    *out = NULL;
    if (offset > buffer->size || size > buffer->size - offset)
        return -EINVAL;
    *out = aio__buffer_view(buffer, (uint32_t)offset, (uint32_t)size);
    return *out != NULL ? 0 : -ENOMEM;
}

int aio_buffer_split(struct aio_buffer **out, struct aio_buffer *buffer, size_t size)
{
    int rc = aio_buffer_slice(out, buffer, 0, size);
    if (rc == 0)
        aio__buffer_skip(buffer, (uint32_t)size);
    return rc;
}

int aio_buffer_reference(struct aio_buffer **out, struct aio_buffer *buffer)
{
    return aio_buffer_slice(out, buffer, 0, buffer->size);
}
