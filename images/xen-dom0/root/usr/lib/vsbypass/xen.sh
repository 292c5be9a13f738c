# Xen's daemons in dom0, the same for L1 and for an L2 that is Xen. boot.sh has to be read first.
PATH=/usr/lib/xen-4.17/bin:$PATH

start_xen_daemons() {
	mount -t xenfs xenfs /proc/xen || fail "cannot mount xenfs: not a dom0"
	mkdir -p /run/lock /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored /var/log/xen
	# The store lives in memory, and no data base file has to be synced on each transaction.
	xenstored --internal-db --pid-file /run/xenstored.pid || fail "xenstored did not start"
	wait_until 30 xenstore-read -s / || fail "xenstored does not answer"
	xen-init-dom0 >/dev/null || fail "xen-init-dom0 failed"
	limited_tmpfs 8m /var/log/xen/console
	xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xenconsoled.pid ||
		fail "xenconsoled did not start"
}
