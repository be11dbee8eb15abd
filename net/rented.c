/*
 * Rented buffers as the program sees them.
 */
#include "net/private.h"

#include <aio/buf.h>

static void buffer_check(const struct aio_buffer *buffer, const char *function)
{
    AIO__REQUIRE(buffer->open, "%s: this buffer was released or given away already", function);
    AIO__REQUIRE(aio__core_current != NULL && buffer->pool == &aio__core_current->buffers,
                 "%s: this buffer belongs to the runtime of another thread", function);
}

static void buffer_abort(struct aio__wait *wait)
{
    aio__wait_unlink(&wait->task->core->buffers.waiters, wait);
    aio__wake(wait, -ECANCELED);
}

static int buffer_await(struct aio__core *core, struct aio_buffer **out)
{
    struct aio__buffer_wait frame = {.wait = {.abort = buffer_abort, .what = "free buffer"}};
    core->buffers.shortages++;
    aio__wait_enqueue(&core->buffers.waiters, &frame.wait);
    if (aio__park(core, &frame.wait) < 0)
        return aio__wait_reason(&frame.wait);
    *out = frame.buffer;
    return 0;
}

int aio_buffer_rent(struct aio_buffer **out)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    *out = NULL;
    int rc = aio__interrupted(core);
    if (rc == 0)
        rc = aio__buffers_prepare(&core->buffers);
    if (rc < 0)
        return rc;
    if (core->buffers.waiters.head == NULL && aio__buffers_may_rent(&core->buffers))
        *out = aio__buffers_take(&core->buffers);
    if (*out == NULL)
        return buffer_await(core, out);
    aio__buffers_note_peak(&core->buffers);
    return 0;
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
