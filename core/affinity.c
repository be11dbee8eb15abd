/*
 * Which processors the cores of a runtime may have: the affinity mask of the process, and the quota
 * of its control group (cpu.max of cgroup v2, cpu.cfs_quota_us of v1; see cgroups(7)).
 */
#include "core/runtime.h"

#include <aio/runtime.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* A file's "QUOTA PERIOD" (PERIOD may be left out) rounded up to whole processors; 0: no limit
 * there.
 */
static uint32_t affinity_quota(const char *path)
{
    long long quota = 0;
    long long period = 100000;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    int found = fscanf(file, "%lld %lld", &quota, &period); /* "max 100000" finds nothing */
    (void)fclose(file);
    if (found < 1 || quota <= 0 || period <= 0)
        return 0;
    return (uint32_t)((quota + period - 1) / period);
}

/* The group's folder below /sys/fs/cgroup, from the line "0::/path" of /proc/self/cgroup. */
static bool affinity_group(char *path, size_t size)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) != 0)
            continue;
        int length = snprintf(path, size, "/sys/fs/cgroup%s", line + 3);
        found = length > 0 && (size_t)length < size;
    }
    (void)fclose(file);
    return found;
}

/* A quota of any group above this one counts as well. */
static uint32_t affinity_cgroup(void)
{
    char path[768], file[800];
    uint32_t least = 0;
    if (!affinity_group(path, sizeof path))
        return affinity_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    while (strncmp(path, "/sys/fs/cgroup", 14) == 0) {
        (void)snprintf(file, sizeof file, "%s/cpu.max", path);
        uint32_t quota = affinity_quota(file);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(path, '/');
        *slash = '\0';
    }
    return least;
}

void aio__affinity_read(cpu_set_t *allowed)
{
    CPU_ZERO(allowed);
    if (sched_getaffinity(0, sizeof *allowed, allowed) < 0)
        CPU_SET(0, allowed);
}

static uint32_t affinity_count(const cpu_set_t *allowed)
{
    uint32_t count = (uint32_t)CPU_COUNT(allowed);
    uint32_t quota = affinity_cgroup();
    if (quota > 0 && quota < count)
        count = quota;
    if (count > AIO_CORES_MAX)
        count = AIO_CORES_MAX;
    return count > 0 ? count : 1;
}

/* The thread of a core is pinned, and still tells what its runtime may use. */
uint32_t aio_runtime_cpus(void)
{
    cpu_set_t allowed;
    if (aio__core_current != NULL)
        return affinity_count(&aio__core_current->runtime->allowed);
    aio__affinity_read(&allowed);
    return affinity_count(&allowed);
}

static void affinity_set(const cpu_set_t *set, uint32_t index)
{
    if (sched_setaffinity(0, sizeof *set, set) < 0)
        aio__log_warn("core %u: its processors cannot be set: %s", index, aio_error_name(-errno));
}

static bool affinity_wanted(const struct aio_runtime *runtime)
{
    return runtime->count > 1 && (runtime->options.flags & AIO_RUNTIME_NO_PINNING) == 0 &&
           runtime->count <= (uint32_t)CPU_COUNT(&runtime->allowed);
}

void aio__affinity_pin(const struct aio_runtime *runtime, uint32_t index)
{
    cpu_set_t one;
    if (!affinity_wanted(runtime))
        return;
    int cpu = -1;
    for (uint32_t seen = 0; seen <= index; seen++)
        do
            cpu++;
        while (!CPU_ISSET(cpu, &runtime->allowed));
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    affinity_set(&one, index);
}

void aio__affinity_unpin(const struct aio_runtime *runtime, const cpu_set_t *before)
{
    if (affinity_wanted(runtime))
        affinity_set(before, 0);
}
