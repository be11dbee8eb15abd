/*
 * Which listeners of a runtime share an address, see shard.h.
 */
#include "net/shard.h"

#include "core/alloc.h"
#include "core/runtime.h"

#include <string.h>

/* One listener a core, at most: a second one there begins another shard. */
struct aio__shard {
    struct aio__shard *next;
    struct aio_address wanted;
    struct aio_address bound;
    uint32_t listeners;
    bool has[AIO_CORES_MAX];
};

static bool shard_matches(const struct aio__shard *shard, const struct aio__core *core,
                          const struct aio_address *wanted)
{
    return !shard->has[core->index] && shard->wanted.length == wanted->length &&
           memcmp(&shard->wanted.any, &wanted->any, wanted->length) == 0;
}

/* With the runtime's lock held. NULL: there is no memory. */
static struct aio__shard *shard_find(struct aio__core *core, const struct aio_address *wanted)
{
    struct aio__shard **end = &core->runtime->shards;
    while (*end != NULL && !shard_matches(*end, core, wanted))
        end = &(*end)->next;
    if (*end != NULL)
        return *end;
    struct aio__shard *shard = aio__alloc_shared(sizeof *shard);
    if (shard == NULL)
        return NULL;
    shard->wanted = shard->bound = *wanted;
    *end = shard;
    return shard;
}

static void shard_drop(struct aio_runtime *runtime, struct aio__shard *shard)
{
    struct aio__shard **at = &runtime->shards;
    while (*at != shard)
        at = &(*at)->next;
    *at = shard->next;
    aio__free(shard);
}

int aio__shard_join(struct aio__core *core, const struct aio_address *wanted,
                    int (*bind_to)(const struct aio_address *address, const void *options),
                    const void *options, struct aio__shard **out)
{
    struct aio_runtime *runtime = core->runtime;
    int fd = -ENOMEM;
    pthread_mutex_lock(&runtime->lock);
    struct aio__shard *shard = shard_find(core, wanted);
    if (shard != NULL) {
        fd = bind_to(&shard->bound, options);
        if (fd >= 0 && shard->listeners == 0)
            (void)aio__socket_address(fd, getsockname, &shard->bound);
        if (fd >= 0) {
            shard->listeners++;
            shard->has[core->index] = true;
        } else if (shard->listeners == 0) {
            shard_drop(runtime, shard);
        }
    }
    pthread_mutex_unlock(&runtime->lock);
    *out = shard;
    return fd;
}

void aio__shard_leave(struct aio__core *core, struct aio__shard *shard)
{
    pthread_mutex_lock(&core->runtime->lock);
    shard->has[core->index] = false;
    if (--shard->listeners == 0)
        shard_drop(core->runtime, shard);
    pthread_mutex_unlock(&core->runtime->lock);
}
