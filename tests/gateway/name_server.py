"""A name server for tests (dnspython): TXT records that a test sets, over UDP and TCP."""
import socket
import struct
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    def __init__(self):
        self.records, self.asked, self.failing, self.truncates = {}, [], False, False
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def answer(self, data, over_tcp):
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        question = query.question[0]
        name = question.name.to_text().rstrip(".")
        self.asked.append((name, question.rdtype, over_tcp))
        if self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif question.rdtype == 1 and name in self.records and not name.startswith("_"):
            response.answer.append(dns.rrset.from_text(question.name, 1, "IN", "A", self.records[name]))
        elif question.rdtype == 16 and name in self.records:
            if self.truncates and not over_tcp:
                response.flags |= dns.flags.TC
            else:
                texts = self.records[name]
                response.answer.append(dns.rrset.from_text(question.name, 1, "IN", "TXT", *[f'"{t}"' for t in texts]))
        elif name not in self.records:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(4096)
                self.udp.sendto(self.answer(data, False), peer)
            except OSError:
                return
            except Exception:  # a question that cannot be read gets no answer
                continue

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
                answer = self.answer(connection.recv(size, socket.MSG_WAITALL), True)
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.udp.close()
        self.tcp.close()
