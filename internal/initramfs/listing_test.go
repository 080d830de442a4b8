package initramfs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"koweld/internal/initramfs"
)

func TestWhatAListingHolds(t *testing.T) {
	const long = "-rw-r--r--   1 root     root        10144 Jan  1  2024 "
	tests := []struct {
		name, listing string
		holds, hidden bool
	}{
		{"nothing", "", false, false},
		{"held", "usr\nusr/lib/modules/x/updates/acme-base.ko\n", true, false},
		{"held compressed", "usr/lib/modules/x/acme_base.ko.zst", true, false},
		{"held, long", long + "usr/lib/modules/x/acme-base.ko.xz\n", true, false},
		{"a link to it", "lrwxrwxrwx 1 root root 9 Jan 1 2024 usr/lib/modules/x/weak/acme-base.ko -> /usr/lib/modules/x/y.ko\n", true, false},
		{"a link named otherwise", "lrwxrwxrwx 1 root root 9 Jan 1 2024 usr/lib/y -> /x/acme-base.ko\n", false, false},
		{"another file of that name", "etc/acme-base\nusr/acme-base.conf\nx/acme-base.korg\nx/acme-base.ko.conf", false, false},
		{"a longer name", "usr/lib/modules/x/acme-base2.ko\nusr/lib/modules/x/xacme-base.ko", false, false},
		{"a dracut module", "dracut modules:\nacme-base\n", false, false},
		{"an image within", long + "squashfs-root.img\n", false, true},
		{"an older image within", long + "squash-root.img\n", false, true},
		{"an image within, shown", long + "squashfs-root.img\n" + long + "squashfs-root/usr/lib/modules/x/other.ko\n", false, false},
		{"an image within that holds it", long + "erofs-root.img\n" + long + "erofs-root/usr/lib/modules/x/acme-base.ko\n", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			holds, hidden := initramfs.Holds([]byte(tt.listing), modules("acme_base", "never"))
			assert.Equal(t, tt.holds, holds, "holds")
			assert.Equal(t, tt.hidden, hidden, "hidden")
		})
	}
}
